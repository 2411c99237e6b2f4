import {
  AnyType,
  createFormatter,
  createParser,
  createProgram,
  DEFAULT_CONFIG,
  SchemaGenerator,
  type Schema,
  type SubNodeParser,
} from 'ts-json-schema-generator';
import { projectPath } from './databases.ts';

/**
 * Makes the JSON Schemas of what `--json` prints, from the types in src/cli/documents.ts and the
 * comments of their members. Fields may be added to a document, so a schema lets other fields pass.
 */

type Node = Readonly<Record<string, unknown>>;
type Definitions = Readonly<Record<string, Node>>;

const ROOT = 'Documents';
/** Grows when a document changes in a way that is more than an addition. */
const VERSION = 1;
const IN_TOOL = '#/definitions/';
const IN_FILE = '#/$defs/';

/** The text of each schema file, by the document's name. */
export function documentSchemas(): Map<string, string> {
  const definitions = readTypes();
  const documents = definitions[ROOT]?.['properties'] as Definitions;
  return new Map(
    Object.entries(documents).map(([name, root]) => {
      const schema = {
        $schema: 'https://json-schema.org/draft/2020-12/schema',
        $id: `urn:tokenctl:schema:${name}:${String(VERSION)}`,
        ...root,
        $defs: reachable(root, definitions),
      };
      return [name, `${JSON.stringify(schema, null, 2)}\n`];
    }),
  );
}

function readTypes(): Definitions {
  const config = {
    ...DEFAULT_CONFIG,
    path: projectPath('src/cli/documents.ts'),
    tsconfig: projectPath('tsconfig.json'),
    type: ROOT,
    additionalProperties: true,
    encodeRefs: false,
    // By `npm run check:types`, with the compiler that this project uses.
    skipTypeCheck: true,
    sortProps: false,
  };
  const program = createProgram(config);
  const parser = createParser(program, config, (chain) => chain.addNodeParser(VALUES));
  const generator = new SchemaGenerator(program, parser, createFormatter(config), config);
  const { definitions = {} } = generator.createSchema(ROOT) as Schema & {
    definitions?: Definitions;
  };
  return Object.fromEntries(
    Object.entries(definitions).map(([name, definition]) => [
      name,
      mended(definition, name !== 'Percent') as Node,
    ]),
  );
}

/** `keyof typeof VALUE` reads VALUE's own expression; what the names in it stand for is of no interest. */
const VALUES: SubNodeParser = {
  supportsNode: (node) => 'escapedText' in node,
  createType: () => new AnyType(),
};

/** With references into the schema file itself, and with whole numbers. */
function mended(value: unknown, whole: boolean): unknown {
  if (Array.isArray(value)) return value.map((each) => mended(each, whole));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => [
        key,
        key === 'type' && whole ? wholeNumbers(each) : mended(each, whole),
      ]),
    );
  }
  return typeof value === 'string' && value.startsWith(IN_TOOL)
    ? IN_FILE + value.slice(IN_TOOL.length)
    : value;
}

/** TypeScript knows one type of number; a document has whole ones. */
function wholeNumbers(type: unknown): unknown {
  if (Array.isArray(type)) return type.map(wholeNumbers);
  // A property that is called `type`.
  if (typeof type !== 'string') return mended(type, true);
  return type === 'number' ? 'integer' : type;
}

/** The definitions that a schema refers to, and those that these refer to. */
function reachable(root: Node, definitions: Definitions): Definitions {
  const found: Record<string, Node> = {};
  const visit = (value: unknown): void => {
    if (typeof value === 'string' && value.startsWith(IN_FILE)) {
      const name = value.slice(IN_FILE.length);
      const definition = definitions[name];
      if (definition === undefined) throw new Error(`the schemas have no ${name}`);
      if (name in found) return;
      found[name] = definition;
      visit(definition);
    } else if (typeof value === 'object' && value !== null) {
      for (const each of Object.values(value)) visit(each);
    }
  };
  visit(root);
  return found;
}
