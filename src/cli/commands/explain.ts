import type { App } from '../../app.ts';
import type { AdmissionRequest } from '../../budget/decide.ts';
import { invalidInput, TokenctlError } from '../../budget/errors.ts';
import type { Verdict } from '../../budget/verdict.ts';
import type { LogEntry } from '../../ledger/port.ts';
import { requestDocument, verdictOf } from '../../ledger/request-document.ts';
import { withApp, type CommandContext } from '../context.ts';
import type { ExplainDocument } from '../documents.ts';
import { EXIT } from '../exit-codes.ts';
import { checkView, lostCheckView } from '../views/check.ts';
import { explainView } from '../views/explain.ts';

export async function explain(context: CommandContext, request: string): Promise<number> {
  const name = request.trim();
  if (name === '') throw invalidInput('request', 'is empty', 'tokenctl log shows recent requests');
  const { output } = context;
  const explained = async (app: App): Promise<number> => {
    output.progress('looking through the log');
    const found = await app.findRequest(name).finally(() => output.progress(''));
    if (found === null) throw notFound(name);
    const { entry, count } = found;
    const verdict = verdictOf(entry);
    const now = verdict === null ? null : await app.check(sameRequest(entry, verdict));
    if (output.json) {
      const request = requestDocument(entry);
      output.document({ request, count, verdict, now } satisfies ExplainDocument);
      return EXIT.done;
    }
    const { limits } = await app.limits();
    const receipt = now === null ? null : await receiptOf(app, now, context);
    output.result(explainView(entry, count, limits, receipt, output.screen));
    return EXIT.done;
  };
  return withApp(context, explained);
}

function notFound(name: string): TokenctlError {
  const shown = name.slice(0, 80).replaceAll(/\p{C}/gu, '?');
  return new TokenctlError('request_not_found', `no request "${shown}" is in the log`, {
    field: 'request',
    fix: 'tokenctl log shows recent requests: name one by what is in its column Request',
  });
}

/** A denial keeps no batch's items; where a rule of size was broken, its reason has the largest. */
function sameRequest(entry: LogEntry, { aiType, estimate, reasons }: Verdict): AdmissionRequest {
  const items = entry.requestItems;
  const ofSize = reasons.find(({ code }) => SIZE_CODES.includes(code));
  const largestItem = ofSize?.requested ?? Math.ceil(estimate.total / items);
  return { aiType, estimate, items, largestItem };
}

const SIZE_CODES: readonly string[] = [
  'request_too_large',
  'provider_request_too_large',
  'critical_restricts_large',
];

async function receiptOf(app: App, now: Verdict, { output }: CommandContext): Promise<string> {
  if (now.largestAdmissible === null) return lostCheckView(now, output.screen);
  const [report, { limits }] = [await app.status({ aiType: now.aiType }), await app.limits()];
  return checkView(now, report, limits, output.screen);
}
