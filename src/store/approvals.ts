/** Held commands and their answers. Every change of state is a compare-and-set, so that two who answer at once answer once. */
import type { ApprovalDecision, ApprovalQuestion, ApprovalState } from '../domain/approval.ts';
import type { ApprovalRow, ApprovalStore } from '../domain/store.ts';
import { findById } from './find.ts';
import type { Database } from './open.ts';
import { approvalFromRow, approvalToRow } from './rows.ts';

/** Thrown inside a transaction to undo it. */
class NotAll extends Error {}

export function approvalStore(db: Database): ApprovalStore {
  return {
    async insert(row) {
      await db.insertInto('approvals').values(approvalToRow(row)).execute();
    },
    async find(id) {
      const row = await findById(db, 'approvals', id);
      return row && approvalFromRow(row);
    },
    async usable({ digest, run, rule }) {
      const row = await db
        .selectFrom('approvals')
        .selectAll()
        .where('digest', '=', digest)
        .where('run', '=', run)
        .where('rule', '=', rule)
        .where('state', 'in', ['open', 'approved'])
        .executeTakeFirst();
      return row && approvalFromRow(row);
    },
    async list({ states, run, limit }) {
      let query = db.selectFrom('approvals').selectAll().orderBy('requested_at', 'desc').orderBy('id');
      if (states !== undefined) query = query.where('state', 'in', [...states]);
      if (run !== undefined) query = query.where('run', '=', run);
      if (limit !== undefined) query = query.limit(limit);
      return (await query.execute()).map(approvalFromRow);
    },
    async countOpen(run) {
      const { count } = await db
        .selectFrom('approvals')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .where('run', '=', run)
        .where('state', '=', 'open')
        .executeTakeFirstOrThrow();
      return Number(count);
    },
    move: (id, from, to, change) => db.transaction().execute((tx) => move(tx, id, from, to, change)),
    async consume(ids) {
      try {
        await db.transaction().execute(async (tx) => {
          for (const id of ids) if (!(await move(tx, id, 'approved', 'consumed'))) throw new NotAll();
        });
        return ids.length > 0;
      } catch (error) {
        if (error instanceof NotAll) return false;
        throw error;
      }
    },
  };
}

async function move(
  db: Database,
  id: string,
  from: ApprovalState,
  to: ApprovalState,
  change: { decision?: ApprovalDecision; decidedAt?: number } = {},
): Promise<boolean> {
  const { decision, decidedAt } = change;
  const { numUpdatedRows } = await db
    .updateTable('approvals')
    .set({
      state: to,
      ...(decision === undefined ? {} : { decision: JSON.stringify(decision) }),
      ...(decidedAt === undefined ? {} : { decided_at: decidedAt }),
    })
    .where('id', '=', id)
    .where('state', '=', from)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows !== 1n) return false;
  if (to !== 'open' && to !== 'approved') await strike(db, id);
  return true;
}

// Literals aimed at a masked column are for the live approver's eyes alone: once nobody can decide any more, they go.
async function strike(db: Database, id: string): Promise<void> {
  const row = await db.selectFrom('approvals').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  const { question } = approvalFromRow(row);
  if (question.afterwards === undefined) return;
  await db
    .updateTable('approvals')
    .set({ question: JSON.stringify(struck(question)) })
    .where('id', '=', id)
    .execute();
}

function struck(question: ApprovalQuestion): ApprovalRow['question'] {
  const { afterwards, sent: _sent, parameters: _parameters, ...kept } = question;
  return { ...kept, ...afterwards };
}
