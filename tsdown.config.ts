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
 * What every start of the command line needs: one file, as opening a file costs more than reading it.
 * And what status and check need beside it: another. What only other commands need stays outside, as
 * parsing it costs a start, too (Prisma Client, PostgreSQL, zod, YAML, tables, spinners, …).
 */
const atStart = [
  /src[\\/]cli[\\/](main|program|output|exit-codes|failure|suggestions|table[\\/].*|views[\\/]text)\.ts/,
  /src[\\/](version|config[\\/]database|platform[\\/](process|program|runtime|warning))\.ts/,
  /src[\\/]budget[\\/](errors|tokens|windows|words)\.ts/,
];
const atStatus = [
  /src[\\/](app|cli[\\/]context|config[\\/]file|platform[\\/](directories|files))\.ts/,
  /src[\\/]cli[\\/]commands[\\/](status|check)\.ts/,
  /src[\\/]cli[\\/]views[\\/](ai-types|alert-care|check|findings|nagios|status|table|windows)\.ts/,
  /src[\\/]budget[\\/](?!estimate|prompt-content|rejudge|usage-query)/,
  /src[\\/]ledger[\\/](alert-status|batch|binding|counters|denials|ledger|limits-in-force|queue|snapshot|status|status-words|steps|window-status|schema[\\/]state)\.ts/,
];

/**
 * Modules that packages load at their start for what tokenctl never asks of them: subcommands that
 * are programs of their own (commander), a guess at colours that output.ts decides (chalk), and traces
 * for exemplars, which are off (prom-client).
 */
const unused: Record<string, { importer: RegExp; code: string }> = {
  '@opentelemetry/api': { importer: /prom-client/, code: 'export default {};' },
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
    // ES modules where a package has them: of OpenTelemetry's, three quarters are left out then.
    inputOptions: { resolve: { mainFields: ['module', 'main'] } },
    outputOptions: {
      codeSplitting: {
        groups: [
          { name: 'start', test: (id) => atStart.some((pattern) => pattern.test(id)), priority: 3 },
          {
            name: 'status',
            test: (id) => atStatus.some((pattern) => pattern.test(id)),
            priority: 2,
          },
          {
            name: 'sqlite',
            test: /src[\\/]ledger[\\/](sqlite(-operations|-statements)?|schema[\\/]sqlite-state)\.ts/,
          },
        ],
      },
    },
  },
  {
    // The dashboard, as browsers read it: a script with all that it needs, and what it stands beside.
    ...{ platform: 'browser', target: 'es2022', minify: true, dts: false },
    deps: { onlyBundle: false },
    entry: { main: 'src/server/dashboard/page/main.ts' },
    tsconfig: 'src/server/dashboard/page/tsconfig.json',
    format: 'esm',
    outDir: 'dist/dashboard',
    fixedExtension: false,
    copy: [
      { from: 'src/server/dashboard/page/*.{html,css,svg}', to: 'dist/dashboard' },
      { from: 'node_modules/uplot/dist/uPlot.min.css', to: 'dist/dashboard', rename: 'uplot.css' },
      { from: 'node_modules/uplot/LICENSE', to: 'dist/dashboard', rename: 'uPlot.LICENSE' },
    ],
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
