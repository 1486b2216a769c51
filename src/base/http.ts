/**
 * Node's HTTP/1.1 for what every command line loads and few use: a proxy, a login's renewal.
 *
 * `import … from 'node:http'` reads all that it exports, WebSocket too, and with that loads what `fetch` is made of: twice the time that Node itself
 * takes to start. Asked for this way, only HTTP is loaded, and only when it is used.
 */
import type * as Http from 'node:http';
import type * as Https from 'node:https';

export function nodeHttp(): typeof Http {
  return process.getBuiltinModule('node:http');
}

export function nodeHttps(): typeof Https {
  return process.getBuiltinModule('node:https');
}
