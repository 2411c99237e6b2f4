import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

// The places that touch the real clock, process and streams. Everywhere else they are passed in.
const edges = [
  'src/platform/**',
  'src/cli/output.ts',
  'src/server/dashboard/page/**',
  'bin/**',
  'scripts/**',
  'test/**',
  'bench/**',
  '*.{js,ts,cjs}',
];

const passedIn = 'is passed in: only src/platform, bin and src/cli/output.ts touch the real one';

export default defineConfig(
  globalIgnores(['dist', 'coverage', 'src/store/generated']),
  {
    files: ['**/*.{ts,js}'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['*.js', 'bin/*.js'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // A function that returns a promise may do so without being async, and an implementation of
      // an asynchronous port may be synchronous inside.
      '@typescript-eslint/require-await': 'off',
      // `for (;;)` is fine, and so is `while (true)`.
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: true },
      ],
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: edges,
    rules: {
      'no-console': 'error',
      'no-restricted-globals': [
        'error',
        { name: 'process', message: `The process ${passedIn}` },
        { name: 'performance', message: `The clock ${passedIn}` },
      ],
      'no-restricted-imports': [
        'error',
        {
          paths: ['process', 'node:process'].map((name) => ({
            name,
            message: `The process ${passedIn}`,
          })),
        },
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: `The clock ${passedIn}` },
        { object: 'globalThis', property: 'process', message: `The process ${passedIn}` },
        { object: 'Math', property: 'random', message: `Randomness ${passedIn}` },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'NewExpression[callee.name="Date"][arguments.length=0]',
          message: `The clock ${passedIn}`,
        },
        { selector: 'CallExpression[callee.name="Date"]', message: `The clock ${passedIn}` },
      ],
    },
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    // CommonJS, which starts faster; what it requires is built later.
    files: ['*.cjs', 'bin/*.js'],
    extends: [tseslint.configs.disableTypeChecked],
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
);
