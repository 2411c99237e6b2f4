// Who may import whom, as docs/architecture.md tells it. A folder imports itself and what is
// listed; anything else fails the check.
const layers = {
  budget: [],
  anthropic: ['budget'],
  platform: ['budget'],
  config: ['budget', 'platform'],
  ledger: ['budget', 'platform'],
  store: ['budget', 'platform'],
  guard: ['budget', 'anthropic', 'ledger', 'platform'],
  alerts: ['budget', 'ledger', 'store', 'platform'],
  server: [
    ...['app.ts', 'version.ts'],
    ...['budget', 'anthropic', 'platform', 'config', 'ledger', 'store', 'guard', 'alerts'],
  ],
};

const boundaries = Object.entries(layers).map(([folder, mayImport]) => ({
  name: `${folder}-imports-only-what-it-may`,
  comment: `${folder} may import ${['itself', ...mayImport].join(', ')} and packages`,
  severity: 'error',
  from: { path: `^src/${folder}/` },
  to: {
    path: '^(src|bin|scripts|test|bench)/',
    pathNot: [folder, ...mayImport].map((name) => `^src/${name.replace('.', '\\.')}(/|$)`),
  },
}));

module.exports = {
  forbidden: [
    ...boundaries,
    {
      name: 'budget-is-pure',
      comment: 'rules take data and return data: of packages only the offline token estimator',
      severity: 'error',
      from: { path: '^src/budget/' },
      to: { pathNot: '^(src/budget/|node_modules/tokenx/)' },
    },
    {
      name: 'anthropic-is-pure',
      comment: 'what calls cost, as data: no package, so that the gateway needs no SDK',
      severity: 'error',
      from: { path: '^src/anthropic/' },
      to: { pathNot: '^src/(anthropic|budget)/' },
    },
    {
      name: 'nobody-imports-cli',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cli/' },
      to: { path: '^src/cli/' },
    },
    {
      name: 'server-only-from-the-commands-that-serve',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot:
          '^src/(server/|cli/(telemetry|gateway/running)\\.ts$|cli/(commands|views)/(serve|gateway)\\.ts$)',
      },
      to: { path: '^src/server/' },
    },
    {
      name: 'app-only-from-above',
      comment: 'app.ts puts the parts together; no part knows it',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(app\\.ts|index\\.ts|server/|cli/)' },
      to: { path: '^src/app\\.ts$' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'production-code-stands-alone',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|scripts|bench)/' },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: { path: '^src/' },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '^src/store/generated/'] },
    exclude: { path: '^(dist|coverage)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node'] },
  },
};
