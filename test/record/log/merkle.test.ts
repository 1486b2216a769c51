import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  consistencyProof,
  EMPTY_ROOT,
  Frontier,
  type Hash,
  inclusionProof,
  leafHash,
  nodeHash,
  provesConsistency,
  provesInclusion,
  rangeRoot,
  type Subtrees,
} from '../../../src/record/log/merkle.ts';

// The test vectors of RFC 6962 implementations: https://github.com/google/certificate-transparency, merkletree/merkle_tree_test.cc.
const ENTRIES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

const leaves = ENTRIES.map((hex) => leafHash(Buffer.from(hex, 'hex')));

/** Root by the definition: MTH of RFC 6962, section 2.1. */
function defined(hashes: readonly Hash[]): Hash {
  const [only] = hashes;
  if (only === undefined) return EMPTY_ROOT;
  if (hashes.length === 1) return only;
  let cut = 1;
  while (cut * 2 < hashes.length) cut *= 2;
  return nodeHash(defined(hashes.slice(0, cut)), defined(hashes.slice(cut)));
}

function subtreesOf(hashes: readonly Hash[]): Subtrees {
  return async (height, index) => defined(hashes.slice(index * 2 ** height, (index + 1) * 2 ** height));
}

const numbered = Array.from({ length: 70 }, (_, at) => leafHash(Buffer.from(`leaf ${at}`)));

describe('the tree', () => {
  test('roots are those of the published vectors', () => {
    const tree = new Frontier();
    assert.deepEqual(
      leaves.map((leaf) => {
        tree.add(leaf);
        return tree.root().toString('hex');
      }),
      ROOTS,
    );
    assert.equal(EMPTY_ROOT.toString('hex'), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  test('a root is the same whichever way it is put together', async () => {
    const tree = new Frontier();
    for (let size = 1; size <= numbered.length; size += 1) {
      tree.add(numbered[size - 1] as Hash);
      const expected = defined(numbered.slice(0, size));
      assert.deepEqual(tree.root(), expected);
      assert.deepEqual(await rangeRoot(subtreesOf(numbered), 0, size), expected);
    }
  });

  test('every leaf of every tree is proven, by its own proof and no other', async () => {
    for (const size of [1, 2, 3, 7, 8, 33, 64, 70]) {
      const root = defined(numbered.slice(0, size));
      for (let leaf = 0; leaf < size; leaf += 1) {
        const proof = await inclusionProof(subtreesOf(numbered), leaf, size);
        const proves = (at: number, hash = numbered[leaf] as Hash) => provesInclusion(hash, at, proof, size, root);
        assert.equal(proves(leaf), true, `${leaf} of ${size}`);
        assert.equal(proves(leaf, leafHash(Buffer.from('another'))), false);
        for (let other = 0; other < size; other += 1)
          if (other !== leaf) assert.equal(proves(other), false, `${leaf} as ${other} of ${size}`);
      }
    }
  });

  test('every tree is proven to begin with every smaller one, and with no other', async () => {
    for (let size = 1; size <= 40; size += 1) {
      const root = defined(numbered.slice(0, size));
      for (let old = 1; old <= size; old += 1) {
        const proof = await consistencyProof(subtreesOf(numbered), old, size);
        const oldRoot = defined(numbered.slice(0, old));
        assert.equal(provesConsistency(old, oldRoot, size, root, proof), true, `${old} of ${size}`);
        const rewritten = defined([leafHash(Buffer.from('rewritten')), ...numbered.slice(1, old)]);
        assert.equal(provesConsistency(old, rewritten, size, root, proof), false);
        assert.equal(provesConsistency(old, oldRoot, size, rewritten, proof), false);
        if (proof.length > 0) assert.equal(provesConsistency(old, oldRoot, size, root, proof.slice(1)), false);
      }
    }
  });
});
