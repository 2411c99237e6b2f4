/** The two tables as backends made them before tokenctl, with rows that those wrote. */

/** Rows by AI type: tokens in, tokens out, total, and the time as this backend writes it. */
export interface OlderLog {
  readonly aiType: string | null;
  readonly tokensIn: number;
  readonly tokensOut: number;
  readonly at: string;
}

export const OLDER_LOGS: readonly OlderLog[] = [
  { aiType: 'imperium', tokensIn: 70, tokensOut: 30, at: '2025-04-30 23:59:59' },
  { aiType: 'imperium', tokensIn: 7, tokensOut: 3, at: '2025-05-01 00:00:00.000001' },
  { aiType: 'Guardian', tokensIn: 40, tokensOut: 10, at: '2025-05-01T10:00:00' },
  { aiType: 'sandbox', tokensIn: 5, tokensOut: 0, at: '2025-05-31 23:59:59.9999994' },
  { aiType: null, tokensIn: 1, tokensOut: 0, at: '2025-05-02 08:00:00' },
];

/** Months as the older token_usage had them: more than the logs, as much, less, and of no logs at all. */
const OLDER_MONTHS = [
  ['imperium', '2025-04', 100],
  ['imperium', '2025-05', 510],
  ['guardian', '2025-05', 20],
  ['conquest', '2025-03', 900],
  ['global', '2025-05', 565],
  ['sandbox', '05/2025', 5],
] as const;

/** What adoption must say of them. */
export const ADOPTED_MONTHS = [
  { aiType: 'global', month: '2025-05', oldTokens: 565, outcome: 'ignored' },
  { aiType: 'sandbox', month: '05/2025', oldTokens: 5, outcome: 'ignored' },
  { aiType: 'imperium', month: '2025-04', oldTokens: 100, counted: 100, outcome: 'agrees' },
  { aiType: 'imperium', month: '2025-05', oldTokens: 510, counted: 10, outcome: 'adjusted' },
  { aiType: 'guardian', month: '2025-05', oldTokens: 20, counted: 50, outcome: 'logs_win' },
  { aiType: 'conquest', month: '2025-03', oldTokens: 900, counted: 0, outcome: 'adjusted' },
] as const;

/** What must be counted after adoption. */
export const ADOPTED_WINDOWS = [
  ['imperium', '2025-04', 100],
  ['imperium', '2025-04-30T23', 100],
  ['imperium', '2025-05', 510],
  ['imperium', '2025-05-01', 10],
  ['guardian', '2025-05', 50],
  ['guardian', '2025-05-01T10', 50],
  ['sandbox', '2025-05-31T23', 5],
  ['unknown', '2025-05-02T08', 1],
  ['conquest', '2025-03', 900],
  [null, '2025-03', 900],
  [null, '2025-04', 100],
  [null, '2025-05', 566],
] as const;

export interface OlderTypes {
  readonly id: string;
  readonly usageId: string;
  readonly text: (length: number) => string;
  readonly tokens: string;
  readonly time: string;
  readonly flag: string;
  readonly now: string;
  /** How a log's id is written; null where the database makes it. */
  readonly newId: ((n: number) => string) | null;
}

const COLUMNS =
  'ai_type, month_year, request_id, tokens_in, tokens_out, total_tokens, model_used, request_type, success, error_message, created_at';

/** CREATE and INSERT statements; `extra` columns are the backend's own. */
export function olderTables(types: OlderTypes, extra = ''): string[] {
  const { text, tokens, time, flag, now } = types;
  return [
    `CREATE TABLE token_usage_logs (id ${types.id}, ai_type ${text(50)}, month_year ${text(7)} NOT NULL, request_id ${text(100)},
      tokens_in ${tokens} NOT NULL, tokens_out ${tokens} NOT NULL, total_tokens ${tokens} NOT NULL, model_used ${text(100)},
      request_type ${text(50)}, success ${flag} NOT NULL, error_message TEXT, created_at ${time} NOT NULL DEFAULT ${now}${extra})`,
    `CREATE TABLE token_usage (id ${types.usageId}, ai_type ${text(50)} NOT NULL, month_year ${text(7)} NOT NULL, tokens_in ${tokens},
      tokens_out ${tokens}, total_tokens ${tokens}, request_count ${tokens}, monthly_limit ${tokens}, usage_percentage FLOAT,
      last_request_at ${time}, status ${text(20)}, created_at ${time} DEFAULT ${now}, updated_at ${time}, UNIQUE (ai_type, month_year))`,
    ...OLDER_LOGS.map((log, index) => olderLog(types, log, index)),
    ...OLDER_MONTHS.map(([aiType, month, total], index) => {
      const id = types.newId === null ? ['', ''] : ['id, ', `${types.newId(index)}, `];
      return `INSERT INTO token_usage (${id[0]}ai_type, month_year, tokens_in, tokens_out, total_tokens, request_count, status)
        VALUES (${id[1]}'${aiType}', '${month}', ${total}, 0, ${total}, 3, 'active')`;
    }),
  ];
}

/** One log as this backend writes it, before and after adoption. */
export function olderLog({ newId, flag }: OlderTypes, log: OlderLog, n: number): string {
  const id = newId === null ? ['', ''] : ['id, ', `${newId(n)}, `];
  const total = log.tokensIn + log.tokensOut;
  const aiType = log.aiType === null ? 'NULL' : `'${log.aiType}'`;
  const success = flag === 'INTEGER' ? '1' : 'true';
  return `INSERT INTO token_usage_logs (${id[0]}${COLUMNS}) VALUES (${id[1]}${aiType}, '${log.at.slice(0, 7)}', 'r${n}',
    ${log.tokensIn}, ${log.tokensOut}, ${total}, 'claude', 'direct', ${success}, NULL, '${log.at}')`;
}
