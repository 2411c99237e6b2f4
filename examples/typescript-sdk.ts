// One message through the official SDK, under the budget. From a built clone:
//   ANTHROPIC_API_KEY=… npx tsx examples/typescript-sdk.ts
import Anthropic from '@anthropic-ai/sdk';
import { openTokenctl } from 'tokenctl';
import { BudgetDeniedError, tokenctlMiddleware } from 'tokenctl/anthropic';

const tokenctl = await openTokenctl();
const client = new Anthropic({
  middleware: [tokenctlMiddleware(tokenctl, { aiType: 'imperium' })],
});

try {
  const message = await client.messages.create({
    model: 'claude-sonnet-5-5',
    max_tokens: 100,
    messages: [{ role: 'user', content: 'Say hello in one sentence.' }],
  });
  console.log(message.content.map((block) => (block.type === 'text' ? block.text : '')).join(''));
} catch (error) {
  if (!(error instanceof BudgetDeniedError)) throw error;
  // Nothing was sent. The verdict says which limit, by how much, and when it frees.
  console.error(error.message);
  console.error(`It would pass at ${error.verdict.retryAt ?? 'no time, unless a limit changes'}.`);
  process.exitCode = 1;
} finally {
  await tokenctl.close();
}
