/** The door of this room: recordings that prove themselves. */
export { type CheckpointEvent, type ContinuedEvent, canonicalJson, GENESIS, lineHash } from './chain.ts';
export type { CodecName } from './codecs.ts';
export { keyIdOf, type PublicKeys, readPublicKeys, statementOf } from './checkpoint.ts';
export type { Disk } from './disk.ts';
export { type BundleLog, logOf, pathInBundle, sessionsIn, verifyText } from './export/bundle.ts';
export { type CastParts, castLines } from './export/cast.ts';
export { csvHead, csvRows } from './export/csv.ts';
export { type HarParts, harPieces } from './export/har.ts';
export { type HtmlSession, htmlPieces } from './export/html.ts';
export { tarEnd, tarHeader, tarPadding } from './export/tar.ts';
export { createGist, type Gist, type GistOptions, type ReadGist, readGist } from './gist.ts';
export { prepareSuccessor } from './keys.ts';
export { findRecording, lastPart, namedBy, partFile, type RecordingFile, recordingsBelow, whereIs } from './layout.ts';
export { readLines, readPart, type Source } from './lines.ts';
export type { LocalRecordings, RecordingsOptions } from './local.ts';
export { type RecordedEvent, readEvents } from './read.ts';
export type { Durability } from './recorder.ts';
export { createRecordings } from './recordings.ts';
export type { Recovered, Recovery } from './recover.ts';
export { type ReplayLine, replay, type TerminalPiece } from './replay.ts';
export { readableTerminals, screensOf } from './terminal/readable.ts';
export type { Expired, OpenedEvent, Retention, Swept } from './retention.ts';
export { type RecordingSummary, summarize } from './summary.ts';
export { createUnsealer, type Identities, readIdentities, type Unsealer, type Unsealing } from './unseal.ts';
export type { Described, Problem, ProblemCode } from './verifier.ts';
export { type VerifyOptions, type VerifyReport, verifyAll, verifyRecording } from './verify.ts';
export { gatewayOfOrigin, isTrustedHead, originOf, parseHead, type SignedHead } from './log/head.ts';
export { decodeLeaf, type LoggedLeaf, type LogLeaf } from './log/leaf.ts';
export type { SessionLog } from './log/log.ts';
export { findInLog, type InLog } from './log/lookup.ts';
export { cosignedAt, type NoteVerifier, noteVerifier, parseNote, parseVerifierKey, verifierKey } from './log/note.ts';
export { logFolder, logsBelow, recordingsAbove } from './log/places.ts';
export { folderReader, readHead } from './log/restore.ts';
export { proveConsistency } from './log/tiles.ts';
export { conflictSize, witnessesOf, witnessLines, witnessRequest } from './log/witness.ts';
export { parseTilePath, type TileReader } from './log/tiles.ts';
export {
  type LoggedReport,
  type LogReport,
  verifyLogAlone,
  verifyLogs,
  type VerifyLogOptions,
  withProblems,
} from './log/verify-log.ts';
