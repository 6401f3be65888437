import { allCases, describeInterop } from './support/run-case.ts';
import { transmission } from './support/transmission.ts';

await describeInterop(transmission, allCases(['v1', 'hybrid']));
