import { transmission } from './support/transmission.ts';
import { allCases, describeInterop } from './support/run-case.ts';

await describeInterop(transmission, allCases(['v1', 'hybrid']));
