/** The door of the tunnels: streams to the gateway, local listeners, and the gateway's own end. */
export { openTunnel, type TunnelRequest, type TunnelStream } from './client.ts';
export { type Listener, type ListenerOptions, type ListenPlace, listen } from './listener.ts';
export type { Leave } from './splice.ts';
export { acceptTunnel, keepServerSession, TUNNEL_SERVER_OPTIONS } from './server.ts';
