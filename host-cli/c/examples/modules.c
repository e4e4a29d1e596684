/* What a module directory has for names, aliases and modaliases, and how to load it:
 *
 *     cc modules.c $(pkg-config --cflags --libs depmod) -o modules
 *     ./modules /lib/modules/6.12.0 virtio:d00000002v00001AF4 ext4
 */
#include <depmod.h>
#include <stdio.h>

static int fail(void) {
    fprintf(stderr, "modules: %s\n", depmod_last_error());
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: %s DIRECTORY QUERY...\n", argv[0]);
        return 2;
    }
    depmod_index *index = depmod_open(argv[1]);
    if (!index)
        return fail();
    for (int i = 2; i < argc; i++) {
        depmod_list *found = depmod_lookup(index, argv[i]);
        if (!found) {
            depmod_close(index);
            return fail();
        }
        for (size_t at = 0; at < depmod_list_length(found); at++) {
            const char *path = depmod_list_detail(found, at);
            printf("%s: %s (%s)\n", argv[i], depmod_list_name(found, at), path ? path : "built in");
        }
        depmod_list_free(found);
    }
    depmod_list *order = depmod_plan(index, (const char *const *)argv + 2, (size_t)argc - 2);
    depmod_close(index);
    if (!order)
        return fail();
    for (size_t at = 0; at < depmod_list_length(order); at++)
        printf("load %s\n", depmod_list_detail(order, at));
    depmod_list_free(order);
    return 0;
}
