/**
 * What is offered and taken on both legs, strongest first. No SHA-1, no CBC, no MAC that Terrapin can use (CVE-2023-48795: neither ChaCha20-Poly1305 nor
 * encrypt-then-MAC), no compression. Strict key exchange is the library's own, wherever the peer knows it.
 */
import type { Algorithms } from 'ssh2';

const kex: NonNullable<Algorithms['kex']> = [
  'curve25519-sha256',
  'curve25519-sha256@libssh.org',
  'ecdh-sha2-nistp256',
  'ecdh-sha2-nistp384',
  'ecdh-sha2-nistp521',
  'diffie-hellman-group16-sha512',
  'diffie-hellman-group18-sha512',
  'diffie-hellman-group14-sha256',
];

export const HOST_KEYS = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
] as const;

export const ALGORITHMS: Algorithms = {
  kex,
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes192-ctr', 'aes256-ctr'],
  hmac: ['hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
};
