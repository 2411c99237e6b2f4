import { defineConfig } from 'tsdown';

/**
 * What every start needs, with what it imports: one file, as opening a file costs more than reading
 * it. What only some commands need (Prisma Client, PostgreSQL, zod, CSV, spinners) stays outside.
 */
const atStart = [
  /src[\\/](cli[\\/]|platform[\\/]|app\.ts|version\.ts)/,
  /src[\\/]config[\\/](?!schema)/,
  /src[\\/]budget[\\/](?!estimate|prompt-content)/,
  /src[\\/]ledger[\\/](?!schema|postgres|sqlite)/,
];

/**
 * Loads a CommonJS package by require: Node need not read it for the names of its exports first,
 * which took a tenth of a start.
 */
const required = ['better-sqlite3', 'pg'];

export default defineConfig({
  entry: { main: 'src/cli/main.ts', index: 'src/index.ts' },
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  fixedExtension: false,
  dts: { entry: 'src/index.ts' },
  // devDependencies are bundled, so that a start reads few files and an installation brings few
  // packages; dependencies stay outside.
  deps: { onlyBundle: false },
  // Measured: minified, a start is no faster, and a stack trace says less.
  minify: false,
  plugins: [
    {
      name: 'require-commonjs',
      resolveId: {
        order: 'pre',
        handler: (id) => (required.includes(id) ? `\0require:${id}` : null),
      },
      load: (id) =>
        id.startsWith('\0require:')
          ? `import { createRequire } from 'node:module';
             export default createRequire(import.meta.url)('${id.slice('\0require:'.length)}');`
          : null,
    },
  ],
  outputOptions: {
    codeSplitting: {
      groups: [
        { name: 'start', test: (id) => atStart.some((pattern) => pattern.test(id)) },
        { name: 'sqlite', test: /src[\\/]ledger[\\/](sqlite|schema[\\/]sqlite-state)\.ts/ },
      ],
    },
  },
});
