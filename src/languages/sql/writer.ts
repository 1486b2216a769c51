/**
 * Writes a tree as SQL with the schema of every type. The library leaves `pg_catalog` out of type names, where a type of the same name earlier in the
 * search_path could then be meant.
 */
import { Deparser } from 'pgsql-deparser';
import { type Fields, isFields, nameParts } from './tree.ts';

/** Throws what the library throws for nodes it does not know. */
export function writeStatement(kind: string, node: Fields): string {
  const tree = { version: PARSER_VERSION, stmts: [{ stmt: { [kind]: node } }] };
  return new Writer(tree as never, { pretty: false }).deparseQuery().replace(/;\s*$/, '');
}

const PARSER_VERSION = 180_004;

type Context = NonNullable<Parameters<Deparser['visit']>[1]>;

class Writer extends Deparser {
  /** The library drops WITH TIES, and takes the outputs of a query in an UPDATE's SET for columns to be set. */
  override SelectStmt(node: Parameters<Deparser['SelectStmt']>[0], context: Context): string {
    const inside = context.update === true ? context.spawn('SelectStmt', { update: false }) : context;
    if (node.limitOption !== 'LIMIT_OPTION_WITH_TIES' || node.limitCount === undefined)
      return super.SelectStmt(node, inside);
    const { limitCount, ...rest } = node;
    return `${super.SelectStmt(rest, inside)} FETCH FIRST (${this.visit(limitCount, inside)}) ROWS WITH TIES`;
  }

  /** The library leaves out parentheses that `(ARRAY[1, 2])[1]` needs. */
  override A_Indirection(node: Parameters<Deparser['A_Indirection']>[0], context: Context): string {
    const steps = (node.indirection ?? []).map((step) => {
      const [name] = nameParts([step]) ?? [];
      if (name !== undefined) return `.${quote(name)}`;
      return isFields(step) && 'A_Star' in step ? '.*' : this.visit(step, context);
    });
    return `(${node.arg === undefined ? '' : this.visit(node.arg, context)})${steps.join('')}`;
  }

  override TypeCast(node: Parameters<Deparser['TypeCast']>[0], context: Context): string {
    const argument = node.arg === undefined ? '' : this.visit(node.arg, context);
    const type = node.typeName === undefined ? '' : this.TypeName(node.typeName, context);
    return `CAST(${argument} AS ${type})`;
  }

  override TypeName(node: Parameters<Deparser['TypeName']>[0], context: Context): string {
    const names = nameParts(node.names);
    // Fields of an interval (`interval day to second`) have a spelling of their own.
    const plain =
      names?.length === 2 && names[0] === 'pg_catalog' && !(names[1] === 'interval' && node.typmods !== undefined);
    if (!plain) return super.TypeName(node, context);
    const modifiers =
      node.typmods === undefined ? '' : `(${node.typmods.map((one) => this.visit(one, context)).join(', ')})`;
    return `${node.setof === true ? 'SETOF ' : ''}pg_catalog.${quote(names[1] ?? '')}${modifiers}${bounds(node.arrayBounds)}`;
  }
}

function quote(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

function bounds(list: readonly unknown[] | undefined): string {
  return (list ?? [])
    .map((bound) => {
      const size = isFields(bound) && isFields(bound['Integer']) ? bound['Integer']['ival'] : undefined;
      return typeof size === 'number' && size >= 0 ? `[${size}]` : '[]';
    })
    .join('');
}
