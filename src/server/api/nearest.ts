import type { z } from 'zod';
import { mustBe } from './words.ts';

export type Issue = z.core.$ZodIssue;

/** What is told of a value that was refused. */
export interface Told {
  /** What is wrong, with its path from the whole value. */
  readonly issue: Issue;
  /** The field of another form beside which the one that is wrong has no place. */
  readonly rival: string | null;
  /** The forms that the value may have, where it does not say which was meant. */
  readonly forms: string | null;
}

/**
 * What is told of all that is wrong: an unknown field first, as it may be one that is missing, mistyped. Of a
 * value that may have one of several forms, what is wrong with the one that fits best.
 */
export function nearest(issues: readonly Issue[], value: unknown): Told {
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0];
  if (issue === undefined) throw new Error('a value was refused for no reason');
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) {
    return { issue, rival: null, forms: null };
  }
  const given = valueAt(value, issue.path);
  const fits = issue.errors.map((errors) => fitOf(errors, given));
  const [best] = fits.toSorted(byFit);
  if (best === undefined) throw new Error('a union has no forms');
  const told = nearest(best.issues, given);
  const rival = rivalOf(told.issue, best, fits);
  const open = rival !== null || leavesFormOpen(told.issue, fits);
  const ofNoForm = given !== undefined && fits.every(({ otherType }) => otherType !== null);
  return {
    issue: {
      ...told.issue,
      message: ofNoForm ? mustBe(typesOf(fits), given) : told.issue.message,
      path: [...issue.path, ...told.issue.path],
    },
    rival: rival ?? told.rival,
    forms: told.forms ?? (open && issue.message !== '' ? issue.message : null),
  };
}

/** How far a value is from one of the forms that it may have. */
interface Fit {
  readonly issues: readonly Issue[];
  /** The type of this form, where the value is of another. */
  readonly otherType: string | null;
  /** Fields that this form does not have. */
  readonly unknown: readonly string[];
  /** Fields that it has, with a wrong value. One that is missing may come yet, and says nothing. */
  readonly wrong: number;
}

function fitOf(issues: readonly Issue[], given: unknown): Fit {
  const own = issues.filter(({ path }) => path.length === 0);
  const type = own.find((each) => each.code === 'invalid_type' && each.expected !== 'int');
  return {
    issues,
    otherType: type?.code === 'invalid_type' ? type.expected : null,
    unknown: own.flatMap((each) => (each.code === 'unrecognized_keys' ? each.keys : [])),
    wrong: issues.filter(({ path }) => path.length > 0 && valueAt(given, path) !== undefined)
      .length,
  };
}

/** Forms that fit alike keep their order: schemas have the usual one first. */
function byFit(a: Fit, b: Fit): number {
  return (
    Number(a.otherType !== null) - Number(b.otherType !== null) ||
    a.unknown.length - b.unknown.length ||
    a.wrong - b.wrong
  );
}

function rivalOf(issue: Issue, best: Fit, fits: readonly Fit[]): string | null {
  if (issue.code !== 'unrecognized_keys' || issue.path.length > 0) return null;
  const [key = ''] = issue.keys;
  const other = fits.find((each) => each.otherType === null && !each.unknown.includes(key));
  return other?.unknown.find((each) => !best.unknown.includes(each)) ?? null;
}

/** Whether what was given fits every form as far as it goes, or has no more than the mark of one, wrong. */
function leavesFormOpen({ code, path }: Issue, fits: readonly Fit[]): boolean {
  if (path.length > 1) return false;
  if (path.length === 1 && code === 'invalid_value') return true;
  return (
    fits.every(({ unknown, otherType }) => unknown.length === 0 && otherType === null) ||
    fits.every(({ otherType }) => otherType !== null)
  );
}

function typesOf(fits: readonly Fit[]): string[] {
  return fits.flatMap(({ otherType }) => (otherType === null ? [] : [otherType]));
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (outer, part) =>
      typeof outer === 'object' && outer !== null && Object.hasOwn(outer, part)
        ? (outer as Readonly<Record<PropertyKey, unknown>>)[part]
        : undefined,
    value,
  );
}
