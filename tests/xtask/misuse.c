/* Wrong arguments, and a handle in several threads, for `cargo xtask test c-library`. */
#include <depmod.h>
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void *ask(void *index) {
    for (int i = 0; i < 20; i++) {
        depmod_list *found = depmod_lookup(index, "virtio-bus");
        assert(found && depmod_list_length(found) == 1);
        assert(!strcmp(depmod_list_name(found, 0), "virtio"));
        assert(!depmod_lookup(index, NULL) && strstr(depmod_last_error(), "NULL"));
        depmod_list_free(found);
    }
    return NULL;
}

int main(int argc, char **argv) {
    assert(argc == 2);
    const char *two[] = {"virtio_blk", "nonesuch"};
    assert(!depmod_open(NULL) && strstr(depmod_last_error(), "NULL"));
    assert(!depmod_open("/proc/nonexistent") && strstr(depmod_last_error(), "/proc/nonexistent/modules.dep.bin"));
    assert(!depmod_lookup(NULL, "x") && !depmod_plan(NULL, two, 2));
    assert(!depmod_verify("/proc/nonexistent", NULL) && !depmod_verify("/proc/nonexistent", "6.1"));
    assert(depmod_list_length(NULL) == 0 && !depmod_list_name(NULL, 0) && !depmod_list_detail(NULL, 0));
    depmod_close(NULL);
    depmod_list_free(NULL);
    depmod_index *index = depmod_open(argv[1]);
    assert(index && !depmod_last_error());
    assert(!depmod_plan(index, two, 2) && strstr(depmod_last_error(), "nonesuch"));
    assert(!depmod_plan(index, NULL, 2));
    depmod_list *none = depmod_plan(index, NULL, 0);
    assert(none && depmod_list_length(none) == 0 && !depmod_list_name(none, 0));
    depmod_list_free(none);
    depmod_list *order = depmod_plan(index, two, 1);
    assert(depmod_list_length(order) == 2 && !depmod_list_detail(order, 2));
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert(!pthread_create(&threads[i], NULL, ask, index));
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    depmod_close(index);
    assert(!strcmp(depmod_list_name(order, 1), "virtio_blk"));
    depmod_list_free(order);
    return EXIT_SUCCESS;
}
