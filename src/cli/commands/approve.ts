/** `hoopctl approve ID`. */
import { decisionCommand } from '../decide.ts';

export const command = decisionCommand('approve');
