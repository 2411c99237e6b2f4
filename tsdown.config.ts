import { defineConfig } from 'tsdown';

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
});
