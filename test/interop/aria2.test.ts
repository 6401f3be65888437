import { aria2 } from './support/aria2.ts';
import { allCases, describeInterop } from './support/describe.ts';

await describeInterop(aria2, allCases(['v1', 'hybrid']));
