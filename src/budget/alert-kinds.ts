/** What an alert can be about. */
export const ALERT_KINDS = ['level'] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];
