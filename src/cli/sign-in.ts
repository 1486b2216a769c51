/** Shows a person where to sign in: link and code on stderr, a QR code where there is a terminal to draw it on. */
import type { Context } from './context.ts';

export interface SignIn {
  /** The event's name in JSON. */
  readonly event: string;
  readonly why: string;
  readonly verificationUri: string;
  readonly verificationUriComplete?: string;
  readonly userCode: string;
  /** Seconds. */
  readonly expiresIn: number;
  /** Rows above that must stay on the screen: what the sign-in decides. */
  readonly keeps?: number;
}

/** Never silenced: without it nobody can go on. The code is no secret (RFC 8628 section 5.1); it signs in whoever types it, here. */
export async function showSignIn(ctx: Context, signIn: SignIn): Promise<void> {
  const { event, why, verificationUri, verificationUriComplete, userCode, expiresIn } = signIn;
  if (ctx.out.json) {
    ctx.out.event({ event, verificationUri, verificationUriComplete, userCode, expiresIn });
    return;
  }
  const link = verificationUriComplete ?? verificationUri;
  ctx.out.ask('');
  ctx.out.ask(`${why}:`);
  ctx.out.ask('');
  ctx.out.ask('  open  ', { text: verificationUri, style: 'cyan' });
  ctx.out.ask('  code  ', { text: userCode, style: 'bold' });
  if (link !== verificationUri) ctx.out.ask('  or    ', { text: link, style: 'cyan' });
  ctx.out.ask('');
  if (ctx.stderr.isTTY && isWebLink(link)) await drawQr(ctx, link, signIn.keeps ?? 0);
}

// The link comes from an identity provider: only what a browser opens is worth a picture.
function isWebLink(link: string): boolean {
  return /^https?:\/\/[\x21-\x7e]{1,500}$/.test(link);
}

/** What stands between what is kept and the picture, and the line of progress below it. */
const TEXT_ROWS = 8;

async function drawQr(ctx: Context, link: string, keeps: number): Promise<void> {
  const { columns: width = 80, rows = 24 } = ctx.stderr;
  const { default: qrcode } = await import('qrcode');
  const picture = await qrcode.toString(link, { type: 'utf8', errorCorrectionLevel: 'L', margin: 2 });
  const lines = picture.split('\n').filter((line) => line !== '');
  if (keeps > 0 && keeps + TEXT_ROWS + lines.length > rows) return;
  if (lines.every((line) => line.length <= width)) for (const line of lines) ctx.stderr.write(`${line}\n`);
}
