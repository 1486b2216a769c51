/** What every step of the demo is given. */
import type { Story } from './story.ts';
import type { World } from './world.ts';

export interface Scene {
  readonly world: World;
  readonly story: Story;
  /** Somebody is there to press keys. */
  readonly interactive: boolean;
}
