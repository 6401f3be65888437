import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bitfield } from '#base';

type Step = { readonly kind: 'set' | 'clear' | 'setAll' | 'clearAll'; readonly at: number };

const steps = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom('set', 'clear'), at: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('setAll', 'clearAll'), at: fc.constant(0) }) },
  ) as fc.Arbitrary<Step>,
  { maxLength: 60 },
);

function play(size: number, list: readonly Step[]): { field: Bitfield; model: Set<number> } {
  const field = new Bitfield(size);
  const model = new Set<number>();
  for (const step of list) {
    if (step.kind === 'setAll') {
      field.setAll();
      for (let i = 0; i < size; i++) model.add(i);
    } else if (step.kind === 'clearAll') {
      field.clearAll();
      model.clear();
    } else {
      const at = step.at % size;
      const isNew = step.kind === 'set' ? !model.has(at) : model.has(at);
      assert.equal(field[step.kind](at), isNew);
      if (step.kind === 'set') model.add(at);
      else model.delete(at);
    }
  }
  return { field, model };
}

test('a bitfield is a set of indexes, empty, full or between', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), steps, (size, list) => {
      const { field, model } = play(size, list);
      assert.deepEqual(
        [...field],
        [...model].sort((a, b) => a - b),
      );
      assert.equal(field.count, model.size);
      assert.equal(field.isFull, model.size === size);
      assert.equal(field.isEmpty, model.size === 0);
      for (let i = 0; i < size + 9; i++) assert.equal(field.has(i), model.has(i));
      for (let from = 0; from <= size; from++) {
        const after = (isIn: boolean) => {
          for (let i = from; i < size; i++) if (model.has(i) === isIn) return i;
          return -1;
        };
        assert.equal(field.nextSet(from), after(true));
        assert.equal(field.nextClear(from), after(false));
      }
      const bytes = field.toBytes();
      assert.equal(bytes.length, Math.ceil(size / 8));
      assert.deepEqual([...(Bitfield.fromBytes(size, bytes) ?? [])], [...field]);
      const copy = field.clone();
      copy.setAll();
      assert.equal(field.count, model.size);
    }),
  );
});

test('two bitfields compare as sets do', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), steps, steps, (size, mine, theirs) => {
      const a = play(size, mine);
      const b = play(size, theirs);
      const left = a.field.without(b.field);
      const expected = [...a.model].filter((at) => !b.model.has(at)).sort((x, y) => x - y);
      assert.deepEqual([...left], expected);
      assert.equal(left.count, expected.length);
      assert.equal(
        a.field.lacksAnyOf(b.field),
        [...b.model].some((i) => !a.model.has(i)),
      );
      for (let from = 0; from <= size; from++) {
        const shared = [...a.model].filter((at) => at >= from && b.model.has(at));
        assert.equal(a.field.nextShared(b.field, from), shared.length === 0 ? -1 : Math.min(...shared));
      }
      assert.equal(
        a.field.meets(b.field),
        [...b.model].some((i) => a.model.has(i)),
      );
    }),
  );
});
