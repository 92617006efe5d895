/** Definition files and the configuration use the same suggestions. */
export { closest, didYouMean, editDistance } from "../../runtime/definition/did-you-mean.js";
