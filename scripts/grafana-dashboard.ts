import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import {
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  LineStyleBuilder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  AnnotationQueryBuilder,
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  MappingType,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { PanelBuilder as GaugeBuilder } from '@grafana/grafana-foundation-sdk/gauge';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeSeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

/** Makes the Grafana dashboard, of Grafana's own types: deploy/grafana/dashboards/tokenctl.json. */

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
/** Of the server that is looked at; levels and windows are those of its ledger. */
const INSTANCE = 'instance="$instance"';
const GREEN = 'green';
const YELLOW = 'yellow';
const ORANGE = 'orange';
const RED = 'red';

/** A query: what a series is called, and how it is asked for. */
type Series = readonly [legend: string, expr: string];

export function grafanaDashboard(): string {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- every Grafana provisions this format, its successor only new ones
  const dashboard = new DashboardBuilder('tokenctl')
    .uid('tokenctl')
    .description('The token budget: are we safe, what binds, who spends, when does it end')
    .tags(['tokenctl'])
    .readonly()
    .tooltip(DashboardCursorSync.Crosshair)
    .refresh('30s')
    .time({ from: 'now-24h', to: 'now' })
    .timezone('utc')
    .withVariable(
      new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'),
    )
    .withVariable(
      new QueryVariableBuilder('instance')
        .label('Server')
        .datasource(DATASOURCE)
        .query('label_values(tokenctl_ledger_up, instance)')
        .refresh(VariableRefresh.OnTimeRangeChanged),
    )
    .annotation(
      new AnnotationQueryBuilder()
        .name('Limits changed')
        .datasource(DATASOURCE)
        .enable(true)
        .iconColor('blue')
        .expr(`changes(tokenctl_limits_revision{${INSTANCE}}[$__interval]) > 0`)
        .titleFormat('Limits changed'),
    );
  for (const [title, panels] of ROWS) {
    dashboard.withRow(new RowBuilder(title));
    for (const panel of panels) dashboard.withPanel(panel);
  }
  const built = dashboard.build();
  for (const [index, panel] of (built.panels ?? []).entries()) panel.id = index + 1;
  return `${JSON.stringify(built, null, 2)}\n`;
}

const LEVEL_MAPPINGS: ValueMapping[] = [
  {
    type: MappingType.ValueToText,
    options: {
      0: { text: 'OK', color: GREEN, index: 0 },
      1: { text: 'WARNING', color: YELLOW, index: 1 },
      2: { text: 'CRITICAL', color: ORANGE, index: 2 },
      3: { text: 'EMERGENCY', color: RED, index: 3 },
    },
  },
];
const UP_MAPPINGS: ValueMapping[] = [
  {
    type: MappingType.ValueToText,
    options: {
      0: { text: 'LOST', color: RED, index: 0 },
      1: { text: 'UP', color: GREEN, index: 1 },
    },
  },
];

const taken = (window: string): Series[] => [
  ['used', `tokenctl_usage_tokens{scope="global", window="${window}", ${INSTANCE}}`],
  ['held', `tokenctl_held_tokens{scope="global", window="${window}", ${INSTANCE}}`],
  ['limit', `tokenctl_limit_tokens{scope="global", window="${window}", ${INSTANCE}}`],
];

const SAFE = [
  stat('Level', `tokenctl_level{${INSTANCE}}`).mappings(LEVEL_MAPPINGS).span(3),
  stat('Ledger', `tokenctl_ledger_up{${INSTANCE}}`).mappings(UP_MAPPINGS).span(3),
  new GaugeBuilder()
    .title('Used and held of the limit')
    .description('Levels begin at 80, 95 and 98 % unless tokenctl limits says otherwise.')
    .datasource(DATASOURCE)
    .withTarget(query(['{{window}}', `tokenctl_usage_ratio{scope="global", ${INSTANCE}}`]))
    .unit('percentunit')
    .min(0)
    .max(1)
    .thresholds(shares())
    .height(5)
    .span(9),
  stat('Largest request that passes', `tokenctl_largest_admissible_tokens{${INSTANCE}}`)
    .unit('short')
    .span(3),
  stat('Month is used up', `tokenctl_limit_reached_timestamp_seconds{${INSTANCE}} * 1000`)
    .description('If usage goes on as in the last day.')
    .unit('dateTimeFromNow')
    .noValue('not this month')
    .span(3),
  stat('Open alerts', `sum(tokenctl_alerts_open{${INSTANCE}})`).span(3),
];

const WINDOWS = [
  limited('Tokens of the month', [
    ...taken('month'),
    ['{{level}}', `tokenctl_level_threshold_tokens{${INSTANCE}}`],
    ['projected', `tokenctl:taken_tokens:projected{scope="global", ${INSTANCE}}`],
  ]).span(24),
  limited('Tokens of the day', taken('day')).span(12),
  limited('Tokens of the hour', taken('hour')).span(12),
];

const SPENDERS = [
  graph('Used in the month by AI type', [
    ['{{ai_type}}', `tokenctl_usage_tokens{scope="ai_type", window="month", ${INSTANCE}}`],
  ])
    .stacking(new StackingConfigBuilder().mode(StackingMode.Normal))
    .fillOpacity(40)
    .span(12),
  graph('Of its own limit by AI type', [
    ['{{ai_type}} {{window}}', `tokenctl_usage_ratio{scope="ai_type", ${INSTANCE}}`],
  ])
    .unit('percentunit')
    .min(0)
    .span(12),
  graph('Tokens an hour through this server', [
    ['{{ai_type}} {{type}}', `rate(tokenctl_tokens_total{${INSTANCE}}[$__rate_interval]) * 3600`],
  ]).span(12),
  graph('Tokens an hour in all', [
    ['all', `tokenctl:taken_tokens:rate1h{scope="global", ${INSTANCE}} * 3600`],
    ['{{ai_type}}', `tokenctl:taken_tokens:rate1h{scope="ai_type", ${INSTANCE}} * 3600`],
  ]).span(12),
];

const REQUESTS = [
  graph('Requests a minute through this server', [
    [
      '{{result}}',
      `sum by (result) (rate(tokenctl_requests_total{${INSTANCE}}[$__rate_interval])) * 60`,
    ],
  ]).span(12),
  graph('Rules broken a minute', [
    [
      '{{code}} {{window}}',
      `sum by (code, window) (rate(tokenctl_denial_reasons_total{${INSTANCE}}[$__rate_interval])) * 60`,
    ],
  ]).span(12),
  graph('Denied of the requests of the hour', [
    ['denied', `tokenctl:denied_requests:ratio{${INSTANCE}}`],
  ])
    .unit('percentunit')
    .min(0)
    .max(1)
    .span(6),
  graph('Request rates', [
    ['last {{window}}', `tokenctl_rate_requests{${INSTANCE}}`],
    ['limit {{window}}', `tokenctl_rate_limit_requests{${INSTANCE}}`],
  ]).span(6),
  graph('Failed in the hour', [
    ['{{ai_type}}', `tokenctl_window_failed_requests{scope="ai_type", window="hour", ${INSTANCE}}`],
  ]).span(6),
  graph('Expired in the day', [
    ['{{ai_type}}', `tokenctl_window_expired_requests{scope="ai_type", window="day", ${INSTANCE}}`],
  ])
    .description(
      'Reserved and never settled, so charged in full: a backend crashes, or does not settle.',
    )
    .span(6),
];

const LEDGER = [
  graph('Time of a reserve', [
    ['p50', quantile(0.5)],
    ['p99', quantile(0.99)],
  ])
    .unit('s')
    .span(8),
  graph('Commands in a transaction', [
    [
      'mean',
      `rate(tokenctl_batch_commands_sum{${INSTANCE}}[$__rate_interval]) / rate(tokenctl_batch_commands_count{${INSTANCE}}[$__rate_interval])`,
    ],
  ]).span(8),
  graph('Open reservations', [['open', `tokenctl_open_reservations{${INSTANCE}}`]]).span(8),
  stat('Tokens of holds past their time', `tokenctl_overdue_tokens{${INSTANCE}}`)
    .description('Charged in full with the next batch, as nobody settled them.')
    .unit('short')
    .span(4),
  stat('Last request', `tokenctl_last_log_timestamp_seconds{${INSTANCE}} * 1000`)
    .unit('dateTimeFromNow')
    .span(4),
  stat('Limits revision', `tokenctl_limits_revision{${INSTANCE}}`).span(4),
  graph('Memory', [['resident', `process_resident_memory_bytes{${INSTANCE}}`]])
    .unit('bytes')
    .span(6),
  graph('Processor', [
    ['cores', `rate(process_cpu_seconds_total{${INSTANCE}}[$__rate_interval])`],
  ]).span(6),
];

const ROWS = [
  ['Are we safe', SAFE],
  ['What binds', WINDOWS],
  ['Who spends', SPENDERS],
  ['Requests', REQUESTS],
  ['Ledger and server', LEDGER],
] as const;

/** @param index which of the panel's queries it is */
function query([legend, expr]: Series, index = 0): Builder<Dataquery> {
  return new DataqueryBuilder()
    .refId('ABCDEFGH'.charAt(index))
    .expr(expr)
    .legendFormat(legend)
    .datasource(DATASOURCE);
}

function stat(title: string, expr: string): StatBuilder {
  return new StatBuilder()
    .title(title)
    .datasource(DATASOURCE)
    .withTarget(query([title, expr]))
    .thresholds(new ThresholdsConfigBuilder().steps([{ value: null, color: GREEN }]))
    .height(5);
}

function graph(title: string, series: readonly Series[]): TimeSeriesBuilder {
  const panel = new TimeSeriesBuilder()
    .title(title)
    .datasource(DATASOURCE)
    .drawStyle(GraphDrawStyle.Line)
    .min(0)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi))
    .height(8);
  for (const [index, each] of series.entries()) panel.withTarget(query(each, index));
  return panel;
}

/** Used and held stacked below their limit, which is a line; what is only expected is dotted. */
function limited(title: string, series: readonly Series[]): TimeSeriesBuilder {
  return graph(title, series)
    .overrideByRegexp('used|held', [
      { id: 'custom.stacking', value: { mode: StackingMode.Normal, group: 'taken' } },
      { id: 'custom.fillOpacity', value: 40 },
    ])
    .overrideByName('limit', [
      { id: 'color', value: { mode: 'fixed', fixedColor: RED } },
      { id: 'custom.lineWidth', value: 2 },
    ])
    .overrideByRegexp('warning|critical|emergency|projected', [
      { id: 'custom.lineStyle', value: new LineStyleBuilder().fill('dot').dash([2, 6]).build() },
    ]);
}

function shares(): ThresholdsConfigBuilder {
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps([
    { value: null, color: GREEN },
    { value: 0.8, color: YELLOW },
    { value: 0.95, color: ORANGE },
    { value: 0.98, color: RED },
  ]);
}

function quantile(share: number): string {
  return `histogram_quantile(${share}, sum by (le) (rate(tokenctl_admission_duration_seconds_bucket{${INSTANCE}}[$__rate_interval])))`;
}
