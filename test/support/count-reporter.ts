import type { SerializedError } from 'vitest';
import type { Reporter, TestModule } from 'vitest/node';

/** Ends a test run with the line `N passed, N failed`. It counts tests, not files. */
export class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const count = (state: string) => tests.filter((test) => test.result().state === state).length;
    // Nor do files that do not load, hooks that throw and errors outside any test pass unseen.
    const suites = modules.flatMap((module) => [module, ...module.children.allSuites()]);
    const broken = suites.filter((suite) => suite.errors().length > 0).length + unhandled.length;
    const skipped = count('skipped') + count('pending');
    if (skipped > 0) console.log(`${skipped} not run`);
    console.log(`${count('passed')} passed, ${count('failed') + broken} failed`);
  }
}
