/*
 * Forced into every file of the FFmpeg build (-include). glibc 2.35 gave hypot() a new symbol version; binding to the first
 * one keeps the highest symbol needed at GLIBC_2.34, which is what Amazon Linux 2023 (Lambda's provided.al2023) has.
 *
 * No header is included here: that would fix the feature macros before the file has chosen its own. ARM's assembly goes
 * through the C preprocessor, and must not see C.
 */
#if defined(__linux__) && !defined(__ASSEMBLER__) && __has_include(<gnu/libc-version.h>)
#if defined(__x86_64__)
__asm__(".symver hypot,hypot@GLIBC_2.2.5");
#elif defined(__aarch64__)
__asm__(".symver hypot,hypot@GLIBC_2.17");
#endif
#endif
