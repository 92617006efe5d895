/** Suggestions are the same in definition files and in the configuration. */
export { closest, didYouMean, editDistance } from "../../runtime/definition/did-you-mean.js";
