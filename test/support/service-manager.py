"""Stands in for systemd's notify socket: each message that comes is a line of JSON on standard output."""

import json
import os
import socket
import sys

receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print(json.dumps([]), flush=True)
while True:
    message, files, _, _ = socket.recv_fds(receiver, 65536, 4)
    # systemd-notify waits until the pipe that it has sent is closed.
    for file in files:
        os.close(file)
    fields = message.decode().split("\n")
    if fields != ["BARRIER=1"]:
        print(json.dumps(fields), flush=True)
