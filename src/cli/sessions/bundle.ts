export async function writeBundle(_ctx: unknown, _parts: unknown): Promise<void> {}
