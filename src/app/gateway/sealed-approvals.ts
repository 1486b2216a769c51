/**
 * Held commands in the store, where recordings are encrypted: what approvers are shown is sealed under the gateway's own key, so that nobody who has the
 * store alone, or a backup of it, reads there what the recordings keep from them.
 */
import type { ApprovalQuestion } from '../../domain/approval.ts';
import type { ApprovalRow, ApprovalStore } from '../../domain/store.ts';
import type { Sealer } from '../../secrets/index.ts';

/** What a question says, beside whom and what it concerns. */
type Said = Pick<ApprovalQuestion, 'text' | 'sent' | 'parameters' | 'resources' | 'purpose'>;

/** The same store; rows that were written in clear before are read as they are. */
export function sealedApprovals(store: ApprovalStore, sealer: () => Sealer): ApprovalStore {
  const whose = (id: string): string => `approval ${id}`;
  const seal = (id: string, said: object): string => sealer().sealText(JSON.stringify(said), whose(id));
  const open = (id: string, sealed: string): Said => JSON.parse(sealer().openText(sealed, whose(id))) as Said;

  function hide(row: ApprovalRow): ApprovalRow {
    const { text, sent, parameters, resources, purpose, afterwards, ...question } = row.question;
    const around = { resources, ...(purpose === undefined ? {} : { purpose }) };
    const said = { text, ...around, ...(sent === undefined ? {} : { sent }), ...(parameters ? { parameters } : {}) };
    return {
      ...row,
      question: {
        ...question,
        text: seal(row.id, said),
        resources: [],
        // It takes the place of what is above once nobody can decide any more.
        ...(afterwards ? { afterwards: { text: seal(row.id, { ...around, ...afterwards }) } } : {}),
      },
    };
  }

  function show(row: ApprovalRow): ApprovalRow {
    const { question } = row;
    if (!sealer().isSealed(question.text)) return row;
    const { afterwards } = question;
    const later = afterwards && open(row.id, afterwards.text);
    return {
      ...row,
      question: {
        ...question,
        ...open(row.id, question.text),
        ...(later ? { afterwards: wordsOf(later) } : {}),
      },
    };
  }

  return {
    ...store,
    insert: (row) => store.insert(hide(row)),
    find: async (id) => maybe(await store.find(id)),
    usable: async (key) => maybe(await store.usable(key)),
    list: async (filter) => (await store.list(filter)).map(show),
  };

  function maybe(row: ApprovalRow | undefined): ApprovalRow | undefined {
    return row && show(row);
  }
}

function wordsOf({ text, sent, parameters }: Said): NonNullable<ApprovalQuestion['afterwards']> {
  return { text, ...(sent === undefined ? {} : { sent }), ...(parameters ? { parameters } : {}) };
}
