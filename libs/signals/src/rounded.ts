/** Sums with so many digits are the same in whatever order, and by whomever, they are added up. */
export const roundedSum = (sum: number): number => Number(sum.toFixed(6));
