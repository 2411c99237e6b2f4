import metadata from '../package.json' with { type: 'json' };

export const version: string = metadata.version;

/** The versions of Node.js that it runs on, such as '>=20.19'. */
export const nodeRange: string = metadata.engines.node;
