/** What can go wrong with recordings, each with what to do about it. */
import { errorTable } from '../base/error.ts';

export const fail = errorTable({
  GATEWAY_ID_INVALID: { exit: 2, hint: 'use letters, digits, dot, dash and underscore, at most 63 of them' },
  SESSION_ID_INVALID: { exit: 1 },
  RECORDINGS_LOCKED: {
    exit: 2,
    hint: 'stop the other gateway, or give this one an id and folders of its own',
  },
  KEYS_INSIDE: {
    exit: 2,
    hint: 'keep the keys in a folder of their own: whoever can write both can forge the evidence',
  },
  KEYS_EXPOSED: { exit: 2, hint: 'take the rights of others away: chmod 600 FILE' },
  KEY_UNREADABLE: {
    exit: 2,
    hint: 'restore the file from a backup; a new key would not verify what the old one signed',
  },
  KEY_MISSING: { exit: 2, hint: 'give the public key of the gateway: --key FILE' },
  KEY_INVALID: { exit: 2, hint: 'expected Ed25519 public keys as PEM, as `hoopctl audit key` prints them' },
  RECORDING_FAILED: {
    exit: 1,
    hint: 'nothing is forwarded until it can be written again: check space, rights and health of the disk',
  },
  RECORDING_FINISHED: { exit: 1 },
  RECORDING_EXISTS: { exit: 1 },
  EVENT_TOO_LARGE: { exit: 1 },
  EVENT_INVALID: { exit: 1 },
  RECORDING_NOT_FOUND: { exit: 2, hint: 'name a recording, or a folder that holds some' },
  RECORDING_UNREADABLE: { exit: 8, hint: 'find out what happened to it: hoopctl audit verify' },
  LOG_DAMAGED: { exit: 2, hint: 'put back the folder as it was' },
  LOG_FAILED: {
    exit: 1,
    hint: 'no session opens until it can be written again: check space, rights and health of the disk',
  },
  LOG_NOT_FOUND: { exit: 8, hint: 'name the folder of the recordings, in which .log lies' },
  NOTE_INVALID: {
    exit: 2,
    hint: 'keep the note as `hoopctl audit checkpoint` printed it, and give the key of that time',
  },
  KEY_SEALED: { exit: 2, hint: 'name the passphrase: keys: { url: …, passphrase: { file: PATH } }' },
  RECORDING_QUOTA: { exit: 9, hint: 'start another run, or have recordings.quota raised' },
  RECIPIENT_INVALID: { exit: 2, hint: 'recordings.encrypt takes age recipients, as age-keygen prints them: age1…' },
  IDENTITY_INVALID: { exit: 2, hint: 'expected a file as age-keygen writes it: AGE-SECRET-KEY-1…' },
  CLOCK_JUMPED: { exit: 1, hint: 'no recording is removed until the gateway starts again with the right time' },
  NOT_BUILT: { exit: 2 },
  GRADE_UNKNOWN: { exit: 2 },
});
