import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { CountReporter } from './test/support/count-reporter.ts';

export default defineConfig({
  test: {
    // `npm run python-sdk` needs what pip installs.
    include: [
      process.env['TOKENCTL_PYTHON_SDK'] === undefined
        ? 'test/**/*.test.ts'
        : 'test/python-sdk.run.ts',
    ],
    globalSetup: ['test/support/postgres-setup.ts'],
    pool: 'forks',
    // Most tests wait for processes, servers and disks: one file more than there are cores.
    maxWorkers: availableParallelism() + 1,
    reporters: ['default', new CountReporter()],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
    allowOnly: process.env['CI'] === undefined,
    coverage: { include: ['src/**'], exclude: ['src/store/generated/**'] },
  },
});
