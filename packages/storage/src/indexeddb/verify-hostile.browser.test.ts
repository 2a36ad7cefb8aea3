/** Hostile packs that wait for their proof, in a browser. */
import { portableRuntime } from '@datakit/git/runtime/portable'
import { afterEach } from 'vitest'
import { provesNoHostilePack } from '../../test/hostile-proof.ts'
import { deletePlaces, openPlace } from '../../test/indexeddb-places.ts'

afterEach(deletePlaces)

provesNoHostilePack(portableRuntime, openPlace)
