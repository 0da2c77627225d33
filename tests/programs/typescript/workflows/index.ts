export * from './activities.ts';
export * from './cancellation.ts';
export * from './chains.ts';
export * from './children.ts';
export * from './data.ts';
export * from './messages.ts';
