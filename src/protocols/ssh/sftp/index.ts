/** The door of SFTP: one channel served, and what rules may say of its requests. */
export { SFTP_FACTS } from './commands.ts';
export type { SftpLimits, SftpParts, SftpSide, SftpSummary } from './line.ts';
export { serveSftp } from './serve.ts';
