import { type Execution, loadBackend } from '@trainyard/tensor';

const { name } = await loadBackend({ prefer: 'auto' });

/** The ways in which steps can run here: compiled ones need libtensorflow. */
export const EXECUTIONS: Execution[] = name === 'tensorflow' ? ['compiled', 'eager'] : ['eager'];
