import { portableDrivers } from '../test/portable.ts'

portableDrivers()
