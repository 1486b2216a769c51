/** `hoopctl trust`: which folders' hoop.yaml may say whom a login is shown to. Reads no hoop.yaml: a broken one must not stand in the way. */
import { configPlace, distrustFolder, trustedFolders, trustFolder } from '../config/index.ts';
import { type LoginPlace, refuseInRun } from './login.ts';

export function clientTrust(place: LoginPlace) {
  const { folder } = configPlace(place.env, place.cwd);
  return {
    list: (): readonly string[] => trustedFolders(folder),
    add(dir: string): string {
      refuseInRun(place);
      return trustFolder(folder, dir);
    },
    remove(dir: string): string {
      refuseInRun(place);
      distrustFolder(folder, dir);
      return dir;
    },
  };
}
