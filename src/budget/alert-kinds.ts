/** What an alert can be about. */
export const ALERT_KINDS = ['level', 'blind'] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];
