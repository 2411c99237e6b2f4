import { parseScopes, parseTokenName } from '../../budget/access-token.ts';
import { parseAiType } from '../../budget/ai-type.ts';
import { parseEnd } from '../../budget/instant.ts';
import { confirm } from '../confirm.ts';
import { withApp, type CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import {
  createdTokenDocument,
  revokedTokenDocument,
  tokenListDocument,
  tokenListView,
  tokenText,
} from '../views/token.ts';

interface CreateOptions {
  readonly name: string;
  readonly scope?: readonly string[];
  readonly aiType?: readonly string[];
  readonly expires?: string;
}

/**
 * A forgotten token ends by itself within a year. Never would leave it open for good; a few months would
 * stop a backend at a time that nobody has in mind.
 */
const USUAL_LIFE = '365d';

export async function createToken(
  context: CommandContext,
  options: CreateOptions,
): Promise<number> {
  const { output, host, runtime } = context;
  const request = {
    name: parseTokenName(options.name, '--name'),
    scopes: parseScopes(options.scope ?? ['reserve'], '--scope'),
    aiTypes: parseAiTypes(options.aiType),
    expiresAtMs: parseEnd('--expires', options.expires ?? USUAL_LIFE, runtime.nowMs()),
    actor: host.actor,
  };
  const { secret, token } = await withApp(context, (app) => app.createToken(request));
  if (output.json) {
    output.document(createdTokenDocument(secret, token, runtime.nowMs()));
  } else {
    output.note(`created ${tokenText(token)}`);
    output.note('keep it now: only its hash is stored, so it is never shown again');
    output.result(secret);
  }
  return EXIT.done;
}

export async function listTokens(context: CommandContext): Promise<number> {
  const { output, runtime } = context;
  const tokens = await withApp(context, (app) => app.tokens());
  const nowMs = runtime.nowMs();
  if (output.json) output.document(tokenListDocument(tokens, nowMs));
  else output.result(tokenListView(tokens, nowMs, output.screen));
  return EXIT.done;
}

interface RevokeOptions {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

export async function revokeToken(
  context: CommandContext,
  named: string,
  { yes = false, dryRun = false }: RevokeOptions,
): Promise<number> {
  const { output, runtime } = context;
  return withApp(context, async (app) => {
    const found = await app.revokeToken(named, { dryRun: true });
    const what = tokenText(found);
    if (!dryRun && !yes) {
      if (output.interactive) output.message(`Revokes ${what}.\nThis can't be taken back.`);
      await confirm(output, found.name, `revoking ${found.prefix}`);
    }
    // By its id: another may have been given the same name meanwhile.
    const token = dryRun ? found : await app.revokeToken(found.id, { dryRun: false });
    if (output.json) output.document(revokedTokenDocument(token, dryRun, runtime.nowMs()));
    else if (dryRun)
      output.result(`Would revoke ${what}.\nNothing was changed, because of --dry-run.`);
    else output.result(`Revoked ${what}.\nWithin 5 seconds every process refuses it.`);
    return EXIT.done;
  });
}

/** Each AI type once; null is any. */
function parseAiTypes(names: readonly string[] | undefined): readonly string[] | null {
  if (names === undefined) return null;
  return [...new Set(names.map((name) => parseAiType(name, '--ai-type')))];
}
