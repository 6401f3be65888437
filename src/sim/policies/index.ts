export { byLot, fastest, roundRobin } from './chokers.ts';
export { type Copies, measureCopies } from './copies.ts';
export { type Figures, jainIndex, judge } from './judge.ts';
export { type JudgedSwarm, judgedSwarms } from './swarms.ts';
export { formatTable, type Row } from './table.ts';
export { type Question, questions, type Variant } from './variants.ts';
