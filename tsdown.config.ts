import { defineConfig, type UserConfig } from 'tsdown';

const common: UserConfig = {
  platform: 'node',
  target: 'node20.19',
  // devDependencies are bundled, so that a start reads few files and an installation brings few
  // packages; dependencies stay outside.
  deps: { onlyBundle: false },
  // Measured: minified, a start is no faster, and a stack trace says less.
  minify: false,
};

/**
 * What every start of the command line needs, with what it imports: one file, as opening a file costs
 * more than reading it. What only some commands need (Prisma Client, PostgreSQL, zod, YAML, CSV, spinners,
 * completion and help topics, the gateway) stays outside.
 */
const atStart = [
  /src[\\/](cli[\\/](?!completion|topics|live|views[\\/]live|commands[\\/](complet|help)|((commands|views)[\\/])?gateway)|platform[\\/]|app\.ts|version\.ts)/,
  /src[\\/]config[\\/](?!schema|limits-file)/,
  /src[\\/]budget[\\/](?!estimate|prompt-content|rejudge)/,
  /src[\\/]ledger[\\/](?!schema|postgres|sqlite|limit-effect|pulse|health)/,
];

/**
 * Modules that packages load at their start for what tokenctl never asks of them: subcommands that
 * are programs of their own (commander), and a guess at colours that output.ts decides (chalk).
 */
const unused: Record<string, { importer: RegExp; code: string }> = {
  'node:child_process': { importer: /commander/, code: 'export default {};' },
  '#supports-color': {
    importer: /chalk/,
    code: 'export default { stdout: false, stderr: false };',
  },
};

export default defineConfig([
  {
    ...common,
    // CommonJS: Node loads it in half the time of ES modules, and --help and status feel it.
    entry: { main: 'src/cli/main.ts' },
    format: 'cjs',
    outDir: 'dist/cli',
    fixedExtension: true,
    dts: false,
    shims: true,
    loader: { '.bash': 'text', '.zsh': 'text', '.fish': 'text' },
    plugins: [
      {
        name: 'leave-out-unused',
        resolveId: {
          order: 'pre',
          handler: (id, importer) =>
            unused[id]?.importer.test(importer ?? '') === true ? `\0unused:${id}` : null,
        },
        load: (id) =>
          id.startsWith('\0unused:') ? unused[id.slice('\0unused:'.length)]?.code : null,
      },
    ],
    outputOptions: {
      codeSplitting: {
        groups: [
          { name: 'start', test: (id) => atStart.some((pattern) => pattern.test(id)) },
          {
            name: 'sqlite',
            test: /src[\\/]ledger[\\/](sqlite(-operations|-statements)?|schema[\\/]sqlite-state)\.ts/,
          },
        ],
      },
    },
  },
  {
    ...common,
    entry: { index: 'src/index.ts', anthropic: 'src/guard/anthropic.ts' },
    format: 'esm',
    // Not dist/cli, which is built at the same time.
    clean: ['dist/*.js', 'dist/*.d.ts'],
    fixedExtension: false,
    dts: { entry: ['src/index.ts', 'src/guard/anthropic.ts'] },
  },
]);
