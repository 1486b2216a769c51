/** `hoopctl init [TEMPLATE] [DIR]`: lists the templates, or copies one. */
import { resolve } from 'node:path';
import type { CommandForm } from '../command.ts';
import type { Context } from '../context.ts';

export const command: CommandForm = {
  name: 'init',
  summary: 'Copy a template to start from, or list the templates',
  details: ['Nothing that exists is overwritten: where one file is in the way, none is written.'],
  arguments: [
    { name: 'TEMPLATE', summary: 'which one; without it they are listed', completes: 'template' },
    {
      name: 'DIR',
      summary: "the folder; default: one of the template's name, for ci-* the folder you are in",
      completes: 'folder',
    },
  ],
  standalone: true,
  async run(ctx, args) {
    const name = args.optional('TEMPLATE');
    if (name === undefined) return list(ctx);
    const { initTemplate } = await import('../../app/init.ts');
    const { findTemplate } = await import('../../app/init-templates.ts');
    const dir = resolve(ctx.cwd, args.optional('DIR') ?? findTemplate(name).folder);
    tellWritten(ctx, initTemplate(name, dir, ctx.cwd));
    return 0;
  },
};

async function list({ out }: Context): Promise<number> {
  const { TEMPLATES } = await import('../../app/init-templates.ts');
  if (out.json) for (const { name, summary, folder } of TEMPLATES) out.ndjson({ name, summary, folder });
  else {
    out.table(TEMPLATES, [
      { title: 'TEMPLATE', cell: ({ name }) => name, whole: true },
      { title: 'WHAT IT IS', cell: ({ summary }) => summary },
    ]);
    out.notice('copy one with: hoopctl init TEMPLATE [DIR]');
  }
  return 0;
}

type Written = ReturnType<typeof import('../../app/init.ts').initTemplate>;

/** What was written, and what to do next. */
export function tellWritten({ out }: Context, written: Written): void {
  if (out.json) return out.document(written);
  for (const file of written.files) out.print(`wrote ${written.dir}/${file}`);
  out.notice('next:');
  for (const line of written.next) out.notice(`  ${line}`);
}
