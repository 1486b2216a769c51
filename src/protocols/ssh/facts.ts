/** What rules may match of SSH, by full names. */
import type { FactTable } from '../../domain/protocol.ts';
import { SFTP_FACTS } from './sftp/index.ts';

export const SSH_FACTS: FactTable = {
  ...SFTP_FACTS,
  /** `exec shell sftp subsystem direct-tcpip tcpip-forward streamlocal agent x11` */
  'ssh.request': 'string',
  /** `operations argv exec shell`, and `copy` for the servers of scp and rsync. */
  'ssh.mode': 'string',
  'ssh.command': 'string',
  'ssh.argv': 'list',
  'ssh.program': 'list',
  /** Programs that others are run through: `sudo sh xargs`. */
  'ssh.through': 'list',
  'ssh.operation': 'string',
  'ssh.pty': 'boolean',
  /** Names of the variables that the client set. */
  'ssh.env': 'list',
  'ssh.subsystem': 'string',
  /** `host:port` */
  'ssh.forward': 'string',
};
