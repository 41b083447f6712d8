import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import * as path from 'node:path';
import { buildEnvironment } from './node-gyp.mjs';
import { errorLine, findProgram, run } from './run.mjs';

const VERSION = '2.21.0';
const DOWNLOAD_MS = 15 * 60_000;

/** Wheels that contain libtensorflow_cc, in the order in which they are tried, by `platform-arch`. */
const CPU_WHEELS = {
  'linux-x64': ['tensorflow-cpu'],
  'linux-arm64': ['tensorflow', 'tensorflow-cpu-aws'],
  'darwin-arm64': ['tensorflow'],
};
const GPU_WHEELS = { 'linux-x64': ['tensorflow'] };

/** Tags to ask for where the Python at hand has no wheel of this version. */
const PLATFORM_TAGS = {
  'linux-x64': [
    'manylinux_2_27_x86_64',
    'manylinux_2_28_x86_64',
    'manylinux_2_17_x86_64',
    'manylinux2014_x86_64',
  ],
  'linux-arm64': [
    'manylinux_2_27_aarch64',
    'manylinux_2_28_aarch64',
    'manylinux_2_17_aarch64',
    'manylinux2014_aarch64',
  ],
  'darwin-arm64': ['macosx_12_0_arm64'],
};

/** argv: wheel, pattern of the names wanted, target folder. */
const EXTRACT = `
import re, sys, zipfile
source, pattern, target = sys.argv[1:]
with zipfile.ZipFile(source) as wheel:
    wheel.extractall(target, [name for name in wheel.namelist() if re.match(pattern, name)])
`;
const WANTED =
  'tensorflow/(libtensorflow_(cc|framework)\\.(so\\.2|2\\.dylib)$|include/(tensorflow/(c|core/platform|tsl)|tsl|xla/tsl)/)';
const CUDA_LIBRARIES = 'nvidia/.*/lib/[^/]*\\.so';

/** binding.gyp's names; with the versioned one in place the package's own installer does not download. */
const LIBRARY_LINKS = {
  linux: {
    'libtensorflow.so': 'libtensorflow_cc.so.2',
    'libtensorflow_framework.so': 'libtensorflow_framework.so.2',
    'libtensorflow.so.2.9.1': 'libtensorflow_cc.so.2',
  },
  darwin: {
    'libtensorflow.2.dylib': 'libtensorflow_cc.2.dylib',
    'libtensorflow.dylib': 'libtensorflow_cc.2.dylib',
  },
};

const pip = (args) =>
  run('python3', ['-m', 'pip', ...args], {
    timeoutMs: DOWNLOAD_MS,
    env: { PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_RETRIES: process.env.PIP_RETRIES ?? '1' },
  });

const extract = (file, pattern, target) => run('python3', ['-c', EXTRACT, file, pattern, target]);

const distributionsFor = ({ gpu, system }) => (gpu ? GPU_WHEELS : CPU_WHEELS)[system];

/** What this machine lacks, with what to do; undefined: nothing. */
async function missing(context) {
  const compilers = process.env.CXX ? [process.env.CXX] : ['g++', 'clang++', 'c++'];
  if (!distributionsFor(context)) return `no TensorFlow wheel has what is needed for ${context.system}`;
  if (fs.existsSync('/etc/alpine-release'))
    return 'TensorFlow needs glibc and this is Alpine (musl): use a Debian image';
  if (!findProgram(['python3'])) return 'no python3 (Debian: apt install python3 python3-pip)';
  if (!(await pip(['--version'])).ok) return 'python3 has no pip (Debian: apt install python3-pip)';
  if (!findProgram(compilers))
    return 'no C++ compiler (Debian: apt install g++ make; macOS: xcode-select --install)';
  if (!findProgram(['make', 'gmake']))
    return 'no make (Debian: apt install make; macOS: xcode-select --install)';
  return undefined;
}

async function download(dir, context) {
  const tags = PLATFORM_TAGS[context.system].flatMap((tag) => ['--platform', tag]);
  const python311 = ['--only-binary=:all:', '--python-version', '3.11', '--implementation', 'cp', ...tags];
  let reason = '';
  for (const distribution of distributionsFor(context)) {
    for (const options of [[], python311]) {
      const result = await pip([
        'download',
        '--no-deps',
        '-q',
        '-d',
        dir,
        ...options,
        `${distribution}==${VERSION}`,
      ]);
      const file = fs.readdirSync(dir).find((name) => name.endsWith('.whl'));
      if (result.ok && file) return { file: path.join(dir, file) };
      reason = `pip could not download ${distribution} ${VERSION} (${errorLine(result)})`;
    }
  }
  return { reason };
}

/** Fills deps/lib and deps/include from the wheel. Returns why not, or undefined. */
async function unpack(file, downloads, deps) {
  const result = await extract(file, WANTED, downloads);
  const content = path.join(downloads, 'tensorflow');
  if (!result.ok || !fs.existsSync(content)) return `the wheel could not be unpacked (${errorLine(result)})`;
  const lib = path.join(deps, 'lib');
  fs.mkdirSync(lib, { recursive: true });
  for (const name of fs.readdirSync(content).filter((entry) => entry.startsWith('libtensorflow')))
    fs.renameSync(path.join(content, name), path.join(lib, name));
  fs.renameSync(path.join(content, 'include'), path.join(deps, 'include'));
  for (const [name, target] of Object.entries(LIBRARY_LINKS[process.platform]))
    fs.symlinkSync(target, path.join(lib, name));
  return undefined;
}

/** The CUDA libraries are wheels too; libtensorflow's own run path ($ORIGIN/../nvidia/NAME/lib) finds them in deps. */
async function unpackCuda(downloads, deps) {
  const dir = path.join(downloads, 'cuda');
  const result = await pip(['download', '-q', '-d', dir, `tensorflow[and-cuda]==${VERSION}`]);
  if (!result.ok) return `pip could not download the CUDA libraries (${errorLine(result)})`;
  for (const name of fs.readdirSync(dir).filter((entry) => entry.startsWith('nvidia_'))) {
    const unpacked = await extract(path.join(dir, name), CUDA_LIBRARIES, deps);
    if (!unpacked.ok) return `${name} could not be unpacked (${errorLine(unpacked)})`;
  }
  return undefined;
}

async function compile(dir, context) {
  const require = createRequire(path.join(context.packageDir, 'package.json'));
  const preGyp = require.resolve('@mapbox/node-pre-gyp/bin/node-pre-gyp');
  const env = await buildEnvironment(context);
  const result = await run(process.execPath, [preGyp, 'install', '--build-from-source'], { cwd: dir, env });
  const addon = path.join(dir, context.addonFile);
  if (!result.ok || !fs.existsSync(addon)) return `the addon did not compile (${errorLine(result)})`;
  if (process.platform === 'darwin')
    await run('install_name_tool', ['-add_rpath', '@loader_path/../../deps/lib', addon]);
  return undefined;
}

/** Compiles the unchanged addon against the libtensorflow_cc that a Python wheel of TensorFlow contains. */
export const wheel = {
  name: 'wheel',
  version: VERSION,
  label: `the library of a TensorFlow ${VERSION} Python wheel (270 MB, for a GPU 3 GB; once per machine)`,

  async build(dir, context) {
    const lacking = await missing(context);
    if (lacking) return lacking;
    const downloads = path.join(dir, 'downloads');
    const deps = path.join(dir, 'deps');
    fs.mkdirSync(downloads);
    const { file, reason } = await download(downloads, context);
    if (!file) return reason;
    return (
      (await unpack(file, downloads, deps)) ??
      (context.gpu ? await unpackCuda(downloads, deps) : undefined) ??
      (await compile(dir, context))
    );
  },
};
