import { allCases, describeInterop } from './support/describe.ts';
import { transmission } from './support/transmission.ts';

await describeInterop(transmission, allCases(['v1', 'hybrid']));
